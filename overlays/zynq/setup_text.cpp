#include "overlays/zynq/setup_text.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "overlays/package/toml_string.hpp"
#include "overlays/package/toml_table.hpp"

namespace fard::zynq {
namespace {

constexpr std::size_t max_text_bytes = std::size_t{1} << 16;

}  // namespace

std::string setup_text(const FabricSetup& setup) {
    std::string accepted;
    for (const auto& part : setup.accepted_parts) accepted += (accepted.empty() ? "" : ", ") + toml_string(part);
    return fmt::format("part = {}\naccept_parts = [{}]\nmemory = {}\nregion = {}\nsys = {}\nconfigfs = {}\nfirmware = {}\ndev = {}\nrun = {}\n",
                       toml_string(setup.part), accepted, toml_string(setup.memory), toml_string(setup.region),
                       toml_string(setup.roots.sys.string()), toml_string(setup.roots.configfs.string()),
                       toml_string(setup.roots.firmware.string()), toml_string(setup.roots.dev.string()),
                       toml_string(setup.roots.run.string()));
}

Result<FabricSetup> parse_setup(std::string_view text) {
    const auto table = parse_toml(text, "the board's fabric");
    if (!table) return fail(table.error());
    TableReader reader(*table, "the board's fabric");
    FabricSetup setup;
    std::string sys, configfs, firmware, dev, run;
    for (const auto& [key, into] : {std::pair{"part", &setup.part}, {"memory", &setup.memory}, {"region", &setup.region}, {"sys", &sys},
                                    {"configfs", &configfs}, {"firmware", &firmware}, {"dev", &dev}, {"run", &run}})
        if (auto r = reader.text(key, true, *into); !r) return fail(r.error());
    auto r = reader.with("accept_parts", true, [&](const toml::node& node) -> Result<> {
        const auto* list = node.as_array();
        if (!list) return reader.wrong(node, "'accept_parts' must be a list of parts");
        for (const auto& item : *list) setup.accepted_parts.push_back(item.value_or(std::string{}));
        return {};
    });
    if (!r) return fail(r.error());
    if (r = reader.nothing_else(); !r) return fail(r.error());
    setup.roots = {sys, configfs, firmware, dev, run};
    return setup;
}

Result<FabricSetup> setup_in_config(std::string_view text, const std::string& where) {
    const auto table = parse_toml(text, where);
    if (!table) return fail(table.error());
    FabricSetup setup;
    const auto take = [&](const char* key, auto& into) {
        if (const auto value = (*table)[key].value<std::string>()) into = *value;
    };
    take("part", setup.part);
    take("dma_memory", setup.memory);
    take("fpga_region", setup.region);
    take("sys_dir", setup.roots.sys);
    take("configfs_dir", setup.roots.configfs);
    take("firmware_dir", setup.roots.firmware);
    take("dev_dir", setup.roots.dev);
    take("fabric_dir", setup.roots.run);
    if (const auto* accepted = (*table)["accept_parts"].as_array())
        for (const auto& item : *accepted) setup.accepted_parts.push_back(item.value_or(std::string{}));
    return setup;
}

Result<OwnedFd> share_setup(const FabricSetup& setup) {
    OwnedFd fd(::memfd_create("fard-fabric", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    const auto text = setup_text(setup);
    if (fd.get() < 0 || ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        return fail(Fault::io, "no memory for a job's description of the fabric: {}", std::strerror(errno));
    return fd;
}

Result<FabricSetup> read_setup(int fd) {
    std::string text(max_text_bytes, '\0');
    const auto count = ::pread(fd, text.data(), text.size(), 0);
    if (count < 0) return fail(Fault::io, "the description of the fabric cannot be read: {}", std::strerror(errno));
    text.resize(static_cast<std::size_t>(count));
    return parse_setup(text);
}

}  // namespace fard::zynq
