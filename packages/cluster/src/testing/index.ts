export { decodeChunk } from '../spec/spec-body.ts';
export { decodeArchive } from '../upkeep/archive-format.ts';
export { byRevision, Conservation } from './conservation.ts';
export { MemoryBuffer } from './memory-buffer.ts';
export { type RecordedEvent, RecordingPort } from './recording-port.ts';
export { type Behaviour, type Script, VirtualRunner, type Witness } from './virtual-runner.ts';
