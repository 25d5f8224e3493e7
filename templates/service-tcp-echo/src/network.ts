import { instanceNetwork as imported } from 'wasi:sockets/instance-network@0.2.3';
import type { Network } from 'wasi:sockets/instance-network@0.2.3';

// jco 1.35 makes no class for a resource without methods, which `network` is, and then does not find it.
// Its glue has a global object of its own; this puts the class there. Newer versions may not need it.
const glue = imported.constructor('return globalThis')();
glue['import_network_0_2_3$Network'] ??= class Network {};

/** The network that sockets are bound in. */
export const instanceNetwork: () => Network = imported;
