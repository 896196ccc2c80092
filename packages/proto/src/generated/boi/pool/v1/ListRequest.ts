// Original file: proto/boi/pool/v1/pool.proto


/**
 * ListRequest asks for everything.
 */
export interface ListRequest {
}

/**
 * ListRequest asks for everything.
 */
export interface ListRequest__Output {
}
