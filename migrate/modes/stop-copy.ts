// Stop-copy: freeze, write all memory down, carry it over, run there. The service stands still all the while, and both copies are whole
// at every moment: no zone in which a cut costs memory.

import type { ModePlan } from './mode.ts'

export const stopCopy: ModePlan = {
  mode: 'stop-copy',
  frozen: [
    { do: 'pause' },
    // Before anything is written down: what the kernel acknowledges from here on would be lost.
    { do: 'cut' },
    { do: 'checkpoint' },
    { do: 'section', name: 'checkpoint' },
    { do: 'section', name: 'layer' },
  ],
  sections: ['checkpoint', 'layer'],
}
