/** Answer of `POST /v1/erasures`: events with personal data of the subject that could be read until then. */
export interface ErasureAnswer {
  erased: number;
}
