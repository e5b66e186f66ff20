/** For the tests of applications: a platform in memory, and a signer of single proofs. See README.md. */
export { createSigner, type Signable, type Signer } from '../credential.ts';
export type { CompileCheck, UserCheck } from '../user-check.ts';
export type { NewClient } from './clients.ts';
export {
  type FakeClientOptions,
  FakePlatform,
  type FakePlatformOptions,
  type Fault,
  type Seen,
} from './platform.ts';
