/** What can be read from the templates. One file to vitest, so that each config is synthesised once for all of them. */
import './api.ts';
import './functions.ts';
import './stores.ts';
import './regions.ts';
import './evacuation.ts';
import './iam.ts';
import './names.ts';
import './keys.ts';
