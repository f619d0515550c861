// The tests of the ordinary suite, for longer.
process.env['TORTURE_ROUNDS'] ??= '100000';
await import('../faults/exhaustion.test.js');
