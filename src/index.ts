export { trace, startTrace } from './trace/trace.ts';
