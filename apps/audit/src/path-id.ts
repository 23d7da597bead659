import { ProblemError } from '@countersign/platform';
import { Param } from '@nestjs/common';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Path parameter `id`, a UUID; what is none is not found. */
export const Id = (what = 'webhook'): ParameterDecorator =>
  Param('id', {
    transform: (id: string): string => {
      if (UUID.test(id)) return id;
      throw new ProblemError('not-found', `There is no such ${what}.`);
    },
  });
