// Original file: proto/grpc/health/v1/health.proto


// Original file: /work/main/proto/grpc/health/v1/health.proto

/**
 * ServingStatus is what can be said of a service.
 */
export const _grpc_health_v1_HealthCheckResponse_ServingStatus = {
  /**
   * Not known.
   */
  UNKNOWN: 'UNKNOWN',
  /**
   * It can be called.
   */
  SERVING: 'SERVING',
  /**
   * It cannot be called now.
   */
  NOT_SERVING: 'NOT_SERVING',
  /**
   * There is no such service; only in answers to Watch.
   */
  SERVICE_UNKNOWN: 'SERVICE_UNKNOWN',
} as const;

/**
 * ServingStatus is what can be said of a service.
 */
export type _grpc_health_v1_HealthCheckResponse_ServingStatus =
  /**
   * Not known.
   */
  | 'UNKNOWN'
  | 0
  /**
   * It can be called.
   */
  | 'SERVING'
  | 1
  /**
   * It cannot be called now.
   */
  | 'NOT_SERVING'
  | 2
  /**
   * There is no such service; only in answers to Watch.
   */
  | 'SERVICE_UNKNOWN'
  | 3

/**
 * ServingStatus is what can be said of a service.
 */
export type _grpc_health_v1_HealthCheckResponse_ServingStatus__Output = typeof _grpc_health_v1_HealthCheckResponse_ServingStatus[keyof typeof _grpc_health_v1_HealthCheckResponse_ServingStatus]

/**
 * HealthCheckResponse is the state.
 */
export interface HealthCheckResponse {
  /**
   * The state.
   */
  'status'?: (_grpc_health_v1_HealthCheckResponse_ServingStatus);
}

/**
 * HealthCheckResponse is the state.
 */
export interface HealthCheckResponse__Output {
  /**
   * The state.
   */
  'status': (_grpc_health_v1_HealthCheckResponse_ServingStatus__Output);
}
