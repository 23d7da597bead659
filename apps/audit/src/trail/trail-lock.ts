/**
 * One writer at a time over all replicas, until its transaction ends: numbers in the order of commits, without gaps.
 * Ids of events are unique over all partitions because whoever holds it looks before it inserts.
 */
export const TRAIL_LOCK = `SELECT pg_advisory_xact_lock(hashtext('countersign'), hashtext('audit.event'))`;
