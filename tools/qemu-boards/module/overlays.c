// SPDX-License-Identifier: GPL-2.0
/* As with the vendor's, writing `path` never fails for what the overlay is: `path` and `status` tell what became of it. */
#include <linux/configfs.h>
#include <linux/firmware.h>
#include <linux/module.h>
#include <linux/of.h>
#include <linux/slab.h>

#include "overlays.h"

struct overlay {
	struct config_item item;
	char path[NAME_MAX];
	const struct firmware *blob; /* while it is applied */
	int id;
};

static struct overlay *overlay_of(struct config_item *item)
{
	return container_of(item, struct overlay, item);
}

static int apply(struct overlay *overlay)
{
	int error = request_firmware(&overlay->blob, overlay->path, NULL);

	if (error)
		return error;
	error = of_overlay_fdt_apply(overlay->blob->data, overlay->blob->size, &overlay->id);
	if (error) {
		of_overlay_remove(&overlay->id);
		release_firmware(overlay->blob);
		overlay->blob = NULL;
	}
	return error;
}

static ssize_t overlay_path_show(struct config_item *item, char *text)
{
	return sprintf(text, "%s\n", overlay_of(item)->path);
}

static ssize_t overlay_path_store(struct config_item *item, const char *text, size_t count)
{
	struct overlay *overlay = overlay_of(item);
	int error;

	if (overlay->blob)
		return -EPERM;
	if (count >= sizeof(overlay->path))
		return -EINVAL;
	memcpy(overlay->path, text, count);
	overlay->path[count] = 0;
	overlay->path[strcspn(overlay->path, "\n")] = 0;
	error = apply(overlay);
	if (error) {
		pr_err("overlay %s: error %d\n", overlay->path, error);
		overlay->path[0] = 0;
	}
	return count;
}

static ssize_t overlay_status_show(struct config_item *item, char *text)
{
	return sprintf(text, "%s\n", overlay_of(item)->blob ? "applied" : "unapplied");
}

CONFIGFS_ATTR(overlay_, path);
CONFIGFS_ATTR_RO(overlay_, status);
static struct configfs_attribute *overlay_attributes[] = { &overlay_attr_path, &overlay_attr_status, NULL };

static void overlay_release(struct config_item *item)
{
	struct overlay *overlay = overlay_of(item);

	if (overlay->blob)
		of_overlay_remove(&overlay->id);
	release_firmware(overlay->blob);
	kfree(overlay);
}

static struct configfs_item_operations overlay_operations = { .release = overlay_release };
static const struct config_item_type overlay_type = {
	.ct_item_ops = &overlay_operations,
	.ct_attrs = overlay_attributes,
	.ct_owner = THIS_MODULE,
};

static struct config_item *make_overlay(struct config_group *group, const char *name)
{
	struct overlay *overlay = kzalloc(sizeof(*overlay), GFP_KERNEL);

	if (!overlay)
		return ERR_PTR(-ENOMEM);
	config_item_init_type_name(&overlay->item, name, &overlay_type);
	return &overlay->item;
}

static struct configfs_group_operations overlays_operations = { .make_item = make_overlay };
static const struct config_item_type overlays_type = { .ct_group_ops = &overlays_operations, .ct_owner = THIS_MODULE };
static const struct config_item_type root_type = { .ct_owner = THIS_MODULE };

static struct config_group overlays;
static struct configfs_subsystem root = {
	.su_group = { .cg_item = { .ci_namebuf = "device-tree", .ci_type = &root_type } },
	.su_mutex = __MUTEX_INITIALIZER(root.su_mutex),
};

int register_overlays(void)
{
	config_group_init(&root.su_group);
	config_group_init_type_name(&overlays, "overlays", &overlays_type);
	configfs_add_default_group(&overlays, &root.su_group);
	return configfs_register_subsystem(&root);
}
