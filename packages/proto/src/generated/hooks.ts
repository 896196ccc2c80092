// Original file: proto/boi/hooks/v1/hooks.proto

export type * from './boi/hooks/v1/DeliverRequest.ts';
export type * from './boi/hooks/v1/DeliverResponse.ts';
export type * from './boi/hooks/v1/DeliveryTier.ts';
export type * from './boi/hooks/v1/Event.ts';
export type * from './boi/hooks/v1/EventKind.ts';
export type * from './boi/hooks/v1/EventOutcome.ts';
export type * from './boi/hooks/v1/EventPayload.ts';
export type * from './boi/hooks/v1/HandshakeRequest.ts';
export type * from './boi/hooks/v1/HandshakeResponse.ts';
export type * from './boi/hooks/v1/HooksService.ts';
