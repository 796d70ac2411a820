// libfdt is called here and nowhere else.
#include "overlays/zynq/device_tree.hpp"

#include <libfdt.h>

namespace fard::zynq {
namespace {

// Writes nodes one behind the other; keeps the first error.
class Tree {
  public:
    explicit Tree(std::string& bytes) : tree_(bytes.data()) {
        check(fdt_create(tree_, static_cast<int>(bytes.size())));
        check(fdt_finish_reservemap(tree_));
    }
    void begin(const std::string& name) { check(fdt_begin_node(tree_, name.c_str())); }
    void end() { check(fdt_end_node(tree_)); }
    void text(const char* name, const std::string& value) { check(fdt_property_string(tree_, name, value.c_str())); }
    void cell(const char* name, std::uint32_t value) { check(fdt_property_u32(tree_, name, value)); }
    void cells(const char* name, const std::vector<std::uint32_t>& values) {
        std::vector<fdt32_t> big;
        for (const auto value : values) big.push_back(cpu_to_fdt32(value));
        check(fdt_property(tree_, name, big.data(), static_cast<int>(big.size() * sizeof(fdt32_t))));
    }
    int finish() {
        check(fdt_finish(tree_));
        return error_;
    }
    std::size_t size() const { return fdt_totalsize(tree_); }

  private:
    void check(int result) {
        if (error_ == 0 && result < 0) error_ = result;
    }
    void* tree_;
    int error_ = 0;
};

void add_block(Tree& tree, const RegisterBlock& block, bool wide) {
    tree.begin(fmt::format("{}@{:x}", block.name, block.address));
    tree.text("compatible", "generic-uio");
    const auto high = static_cast<std::uint32_t>(block.address >> 32), low = static_cast<std::uint32_t>(block.address);
    const auto size = static_cast<std::uint32_t>(block.bytes);
    tree.cells("reg", wide ? std::vector<std::uint32_t>{high, low, 0, size} : std::vector<std::uint32_t>{low, size});
    tree.end();
}

}  // namespace

Result<std::string> compile_overlay(const RegionOverlay& overlay, bitstream::Family family) {
    const bool wide = family == bitstream::Family::zynqmp;
    for (const auto& block : overlay.blocks)
        if ((!wide && block.address >> 32) || block.bytes >> 32)
            return fail(Fault::invalid_input, "the registers of {} at 0x{:x} ({} bytes) are outside of what this board's device tree "
                        "can say", block.name, block.address, block.bytes);
    std::string bytes(4096 + 512 * overlay.blocks.size(), '\0');
    Tree tree(bytes);
    tree.begin("");
    tree.begin("fragment@0");
    tree.text("target-path", overlay.region);
    tree.begin("__overlay__");
    tree.cell("#address-cells", wide ? 2 : 1);
    tree.cell("#size-cells", wide ? 2 : 1);
    if (!overlay.firmware.empty()) tree.text("firmware-name", overlay.firmware);
    for (const auto& block : overlay.blocks) add_block(tree, block, wide);
    for (int i = 0; i < 3; ++i) tree.end();
    if (const int error = tree.finish(); error != 0)
        return fail(Fault::failed, "cannot compile a device-tree overlay: {}", fdt_strerror(error));
    bytes.resize(tree.size());
    return bytes;
}

}  // namespace fard::zynq
