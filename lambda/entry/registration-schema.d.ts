/** The operator's schema, compiled; the module is laid beside the bundle when a stack is built. */
declare module 'countersign:registration-schema' {
  export const schema: object;
  export const validate: import('../schema/validator.ts').SchemaValidator;
}
