/** One item of `GET /v1/pins`: the ids a repository was first granted something with. */
export interface PinAnswer {
  id: string;
  iss: string;
  /** `acme/web`. */
  repository: string;
  repositoryId: string;
  ownerId: string;
  /** `sub` of the job that was first. */
  subject: string;
  /** Its exchange is found by this in the trail. */
  traceId: string;
  pinnedAt: string;
}
