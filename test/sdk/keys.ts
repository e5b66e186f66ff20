/** API keys that no platform knows. */
import { deriveApiKey } from '../../protocol/api-key.ts';

const made = (clientId: string, profile: 'strict' | 'basic') =>
  deriveApiKey({ root: new Uint8Array(32), salt: new Uint8Array(16), clientId, generation: 7, profile });

export const API_KEY = made('test', 'strict');
export const BASIC_API_KEY = made('test-basic', 'basic');
