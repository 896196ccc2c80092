// Original file: proto/boi/workspace/v1/workspace.proto


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
