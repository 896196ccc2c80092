export { Conservation } from './conservation.ts';
export { MemoryBuffer } from './memory-buffer.ts';
export { type Behaviour, type Script, VirtualRunner, type Witness } from './virtual-runner.ts';
