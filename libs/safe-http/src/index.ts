export { SafeHttp } from './safe-http';
export { SafeHttpError } from './safe-http-error';
export type { SafeGetOptions, SafeHttpOptions, SafePostOptions, SafeResponse } from './safe-http';
export type { SafeHttpReason } from './safe-http-error';
