/** The faults of a drill: the forms that the control endpoint of a local platform takes. */

/** A fault that the platform's control endpoint causes, or ends. */
export type Fault =
  | { readonly kind: 'region'; readonly region: string; readonly lost: boolean }
  /** Each of these Regions reaches no other. */
  | { readonly kind: 'partition'; readonly alone: readonly string[] }
  /** Part of the calls of a Region's tables that are refused, and how long each waits. */
  | { readonly kind: 'throttle'; readonly region: string; readonly rate: number; readonly delay_ms: number }
  /** Tables of another generation are made, or taken into use in every Region. */
  | { readonly kind: 'tables'; readonly generation: number; readonly in_use: boolean }
  | { readonly kind: 'vault'; readonly lost: boolean };
