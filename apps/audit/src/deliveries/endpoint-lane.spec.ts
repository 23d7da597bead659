import type { LeasedDelivery } from './delivery-queue';
import { EndpointLane } from './endpoint-lane';

const PLACES = 4;

function laneWith(count: number): EndpointLane {
  const lane = new EndpointLane(PLACES);
  for (let index = 0; index < count; index += 1) lane.add({ id: String(index) } as LeasedDelivery);
  return lane;
}

const started = (lane: EndpointLane, now: number): string[] => {
  const ids: string[] = [];
  for (let next = lane.start(now); next !== null; next = lane.start(now)) ids.push(next.id);
  return ids;
};

describe('a lane of an endpoint', () => {
  it('starts the oldest first and no more than there are places, and the next when one has ended', () => {
    const lane = laneWith(6);
    expect(started(lane, 0)).toEqual(['0', '1', '2', '3']);
    lane.succeed(0);
    expect(started(lane, 0)).toEqual(['4']);
  });

  it.each([
    [1_000, PLACES + 3],
    [1_100, PLACES],
  ])('leases ahead what the endpoint took in the last tenth of a second: at %d', (now, room) => {
    const lane = laneWith(3);
    started(lane, 1_000);
    for (let index = 0; index < 3; index += 1) lane.succeed(1_000);
    expect(lane.room(now)).toBe(room);
  });

  it('starts and leases nothing while it is not known what follows from a failure, and nothing ahead after it', () => {
    const lane = laneWith(6);
    started(lane, 0);
    lane.succeed(0);
    lane.fail();
    expect([started(lane, 0), lane.room(0)]).toEqual([[], 0]);
    lane.endFailure();
    expect([started(lane, 0), lane.room(0)]).toEqual([['4', '5'], 0]);
  });

  it('has room for a new endpoint of its places only, less what is under way or waits', () => {
    const lane = laneWith(3);
    expect([new EndpointLane(PLACES).room(0), lane.room(0)]).toEqual([PLACES, 1]);
    started(lane, 0);
    expect(lane.room(0)).toBe(1);
  });

  it('counts the attempts of the last second and what waits, whatever becomes of the clock', () => {
    const lane = laneWith(5);
    started(lane, 500);
    expect([500, 1_499, 1_500].map((now) => lane.spent(now))).toEqual([5, 5, 1]);
    const early = laneWith(1);
    started(early, 1_000_000);
    expect(early.spent(5)).toBe(0);
  });

  it('gives back what waits, and keeps what is under way', () => {
    const lane = laneWith(5);
    started(lane, 0);
    expect([lane.clear().map(({ id }) => id), lane.queued, lane.room(0)]).toEqual([['4'], 0, 0]);
  });
});
