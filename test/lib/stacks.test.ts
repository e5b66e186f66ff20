/** What can be read from the templates. One file to vitest, so that each config is synthesised once for all of them. */
import './stacks/api.ts';
import './stacks/functions.ts';
import './stacks/stores.ts';
import './stacks/regions.ts';
import './stacks/iam.ts';
import './stacks/names.ts';
import './stacks/keys.ts';
