export { bundleProgram } from './bundle.ts';
export { type Lab, openLab } from './lab.ts';
