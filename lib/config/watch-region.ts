/** Where the stack `watch` lies: metrics of health checks, and alarms on them, exist here alone. */
export const WATCH_REGION = 'us-east-1';
