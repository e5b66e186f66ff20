/**
 * Tests that read the templates. They are one file to vitest, so that each config is synthesised once for
 * all.
 */
import './api.ts';
import './functions.ts';
import './stores.ts';
import './regions.ts';
import './evacuation.ts';
import './iam.ts';
import './names.ts';
import './oauth.ts';
import './enrolment.ts';
import './keys.ts';
import './callbacks.ts';
