/** Forms of names that the config and the command line both read. */

/** A stage's name, which is part of every name of the stage. */
export const STAGE_NAME = /^[a-z][a-z0-9-]{0,15}$/;

export const AWS_REGION = /^[a-z]{2}(-[a-z]+)+-\d$/;

/** The Region of the stack `watch`: metrics of health checks, and alarms on them, exist only here. */
export const WATCH_REGION = 'us-east-1';
