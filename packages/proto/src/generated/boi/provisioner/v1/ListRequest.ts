// Original file: proto/boi/provisioner/v1/provisioner.proto


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
