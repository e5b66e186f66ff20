/** The operator's schema, compiled. The module is written beside the bundle when a stack is built. */
declare module 'countersign:registration-schema' {
  export const schema: object;
  export const validate: import('../schema/validator.ts').SchemaValidator;
}
