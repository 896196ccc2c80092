// Original file: proto/boi/pool/v1/pool.proto


/**
 * ReleaseResponse is empty.
 */
export interface ReleaseResponse {
}

/**
 * ReleaseResponse is empty.
 */
export interface ReleaseResponse__Output {
}
