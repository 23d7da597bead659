import { SharedAnswers } from './shared-answers';

interface Put {
  answer: (value: string) => void;
  fail: (error: Error) => void;
}

/** A question that is answered by hand; `put` has each time that it was put. */
function question(): { put: Put[]; ask: () => Promise<string> } {
  const put: Put[] = [];
  return { put, ask: () => new Promise<string>((answer, fail) => void put.push({ answer, fail })) };
}

/** Until the question has been put so often. */
async function untilPut(put: readonly Put[], times: number): Promise<void> {
  while (put.length < times) await new Promise(setImmediate);
}

it('puts a question at once, and once more for all who ask while it is on its way', async () => {
  const shared = new SharedAnswers<string>();
  const { put, ask } = question();
  const first = shared.ask('a', ask);
  const others = Array.from({ length: 30 }, () => shared.ask('a', ask));
  expect(put).toHaveLength(1);
  put[0]?.answer('before');
  await untilPut(put, 2);
  put[1]?.answer('after');
  expect([await first, ...(await Promise.all(others))]).toEqual(['before', ...others.map(() => 'after')]);
  expect(put).toHaveLength(2);
});

it('gives nobody an answer that was asked for before they came', async () => {
  const shared = new SharedAnswers<string>();
  const { put, ask } = question();
  const answers = [shared.ask('a', ask), shared.ask('a', ask)];
  put[0]?.answer('1');
  await untilPut(put, 2);
  answers.push(shared.ask('a', ask));
  put[1]?.answer('2');
  await untilPut(put, 3);
  put[2]?.answer('3');
  expect(await Promise.all(answers)).toEqual(['1', '2', '3']);
});

it('asks anew after an answer and after a failure, which the next does not share', async () => {
  const shared = new SharedAnswers<string>();
  const { put, ask } = question();
  const failing = shared.ask('a', ask);
  const next = shared.ask('a', ask);
  put[0]?.fail(new Error('lost'));
  await expect(failing).rejects.toThrow('lost');
  await untilPut(put, 2);
  put[1]?.answer('there');
  expect(await next).toBe('there');
  void shared.ask('a', ask);
  expect(put).toHaveLength(3);
});

it('waits for one that hangs no longer than for others', async () => {
  const shared = new SharedAnswers<string>();
  const { put, ask } = question();
  void shared.ask('a', ask);
  const next = shared.ask('a', ask);
  await untilPut(put, 2);
  put[1]?.answer('there');
  expect(await next).toBe('there');
});

it('keeps questions apart', () => {
  const shared = new SharedAnswers<string>();
  const { put, ask } = question();
  void shared.ask('a', ask);
  void shared.ask('b', ask);
  expect(put).toHaveLength(2);
});
