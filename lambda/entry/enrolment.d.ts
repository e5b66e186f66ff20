/** The operator's policies of enrolment. The module is written beside the bundle when a stack is built. */
declare module 'countersign:enrolment' {
  export const policies: readonly import('../../protocol/oauth/attestation.ts').EnrolmentPolicy[];
}
