/* SPDX-License-Identifier: GPL-2.0 */
/* Device-tree overlays by configfs, as vendors' kernels have them: device-tree/overlays/NAME/{path,status}. */
int register_overlays(void);
