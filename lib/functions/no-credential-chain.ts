/**
 * Bundled in place of the AWS SDK's chain of credential providers: a function is given its role's credentials, and
 * the chain, never asked, would be a third of its code.
 */
export const defaultProvider = () => async (): Promise<never> => {
  throw new Error('this client was made without credentials');
};
