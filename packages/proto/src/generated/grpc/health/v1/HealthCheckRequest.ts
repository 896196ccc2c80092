// Original file: proto/grpc/health/v1/health.proto


/**
 * HealthCheckRequest names what is asked about.
 */
export interface HealthCheckRequest {
  /**
   * Full name of a service, e.g. `boi.hooks.v1.HooksService`; empty: the server as a whole.
   */
  'service'?: (string);
}

/**
 * HealthCheckRequest names what is asked about.
 */
export interface HealthCheckRequest__Output {
  /**
   * Full name of a service, e.g. `boi.hooks.v1.HooksService`; empty: the server as a whole.
   */
  'service': (string);
}
