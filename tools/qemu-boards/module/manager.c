// SPDX-License-Identifier: GPL-2.0
/*
 * An FPGA manager whose fabric is a program outside of the emulated board (tests/boards/emulated_fabric.cpp), reached through memory that
 * both map: a window for the bitstream, and a port of five words. It has the name, the states and the errors of zynq-fpga, and the two
 * files, `firmware` and `flags`, that the vendor's kernel has and mainline has not.
 */
#include <linux/delay.h>
#include <linux/firmware.h>
#include <linux/fpga/fpga-mgr.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/of.h>
#include <linux/platform_device.h>
#include <linux/slab.h>

#include "overlays.h"

/* The port's words. */
enum { COMMAND = 0x0, BYTES = 0x4, ANSWER = 0x8, WORKS = 0xc };
enum { RESET = 1, CONFIGURE = 2 }; /* in the low two bits of COMMAND, above them a number that ANSWER repeats */

#define HEADER_BYTES 128
#define PATIENCE_MS 2500

struct fabric {
	struct fpga_manager *manager;
	void __iomem *port;
	void __iomem *window;
	resource_size_t room;
	size_t written;
	u32 number;
	unsigned long flags; /* kept from one load to the next, as the vendor's are */
};

static int command(struct fabric *fabric, u32 what)
{
	u32 word = ++fabric->number << 2 | what;
	int ms;

	writel(word, fabric->port + COMMAND);
	for (ms = 0; ms < PATIENCE_MS; ms++) {
		if (readl(fabric->port + ANSWER) == word)
			return readl(fabric->port + WORKS) ? 0 : -EIO;
		usleep_range(1000, 1200);
	}
	return -ETIMEDOUT;
}

static bool has_sync_word(const u8 *bytes, size_t count)
{
	static const u8 sync[] = { 0x66, 0x55, 0x99, 0xaa };
	size_t at;

	for (at = 0; at + sizeof(sync) <= count; at += 4)
		if (!memcmp(bytes + at, sync, sizeof(sync)))
			return true;
	return false;
}

static enum fpga_mgr_states fabric_state(struct fpga_manager *manager)
{
	return FPGA_MGR_STATE_UNKNOWN;
}

static int fabric_write_init(struct fpga_manager *manager, struct fpga_image_info *info, const char *bytes, size_t count)
{
	struct fabric *fabric = manager->priv;
	bool partial = info->flags & FPGA_MGR_PARTIAL_RECONFIG;

	if (!partial && !has_sync_word(bytes, count)) {
		dev_err(&manager->dev, "Invalid bitstream, could not find a sync word. Bitstream must be a byte swapped .bin file\n");
		return -EINVAL;
	}
	fabric->written = 0;
	return partial ? 0 : command(fabric, RESET);
}

static int fabric_write(struct fpga_manager *manager, const char *bytes, size_t count)
{
	struct fabric *fabric = manager->priv;

	if (count > fabric->room - fabric->written)
		return -EIO;
	memcpy_toio(fabric->window + fabric->written, bytes, count);
	fabric->written += count;
	return 0;
}

static int fabric_write_complete(struct fpga_manager *manager, struct fpga_image_info *info)
{
	struct fabric *fabric = manager->priv;

	writel(fabric->written, fabric->port + BYTES);
	return command(fabric, CONFIGURE);
}

static const struct fpga_manager_ops fabric_ops = {
	.initial_header_size = HEADER_BYTES,
	.state = fabric_state,
	.write_init = fabric_write_init,
	.write = fabric_write,
	.write_complete = fabric_write_complete,
};

static struct fabric *fabric_of(struct device *manager)
{
	return to_fpga_manager(manager)->priv;
}

static ssize_t flags_show(struct device *dev, struct device_attribute *attribute, char *text)
{
	return sysfs_emit(text, "%lx\n", fabric_of(dev)->flags);
}

static ssize_t flags_store(struct device *dev, struct device_attribute *attribute, const char *text, size_t count)
{
	int error = kstrtoul(text, 16, &fabric_of(dev)->flags);

	return error ? error : count;
}
static DEVICE_ATTR_RW(flags);

static ssize_t firmware_store(struct device *dev, struct device_attribute *attribute, const char *text, size_t count)
{
	struct fabric *fabric = fabric_of(dev);
	struct fpga_image_info *info = fpga_image_info_alloc(dev);
	char *name = kstrndup(text, count, GFP_KERNEL);
	int error = -ENOMEM;

	if (info && name) {
		info->flags = fabric->flags;
		info->firmware_name = devm_kstrdup(dev, strim(name), GFP_KERNEL);
		error = fpga_mgr_lock(fabric->manager);
		if (!error) {
			error = fpga_mgr_load(fabric->manager, info);
			fpga_mgr_unlock(fabric->manager);
		}
	}
	kfree(name);
	if (info)
		fpga_image_info_free(info);
	return error ? error : count;
}
static DEVICE_ATTR_WO(firmware);

static struct attribute *fabric_attributes[] = { &dev_attr_firmware.attr, &dev_attr_flags.attr, NULL };
static const struct attribute_group fabric_group = { .attrs = fabric_attributes };

static int fabric_probe(struct platform_device *device)
{
	struct fabric *fabric = devm_kzalloc(&device->dev, sizeof(*fabric), GFP_KERNEL);
	struct resource *port = platform_get_resource(device, IORESOURCE_MEM, 0);
	struct resource *window = platform_get_resource(device, IORESOURCE_MEM, 1);

	if (!fabric)
		return -ENOMEM;
	if (!port || !window)
		return -EINVAL;
	fabric->room = resource_size(window);
	fabric->port = devm_ioremap(&device->dev, port->start, resource_size(port));
	fabric->window = devm_ioremap(&device->dev, window->start, fabric->room);
	if (!fabric->port || !fabric->window)
		return -ENOMEM;
	fabric->manager = devm_fpga_mgr_register(&device->dev, "Xilinx Zynq FPGA Manager", &fabric_ops, fabric);
	if (IS_ERR(fabric->manager))
		return PTR_ERR(fabric->manager);
	return sysfs_create_group(&fabric->manager->dev.kobj, &fabric_group);
}

static const struct of_device_id fabric_ids[] = { { .compatible = "fard,emulated-fabric" }, {} };
MODULE_DEVICE_TABLE(of, fabric_ids);

static struct platform_driver fabric_driver = {
	.probe = fabric_probe,
	.driver = { .name = "emulated-fabric", .of_match_table = fabric_ids, .suppress_bind_attrs = true },
};

static int __init fabric_init(void)
{
	int error = register_overlays();

	return error ? error : platform_driver_register(&fabric_driver);
}
module_init(fabric_init); /* and never unloaded */

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("FPGA manager of an emulated board");
