#include "overlays/zynq/resources.hpp"

#include <charconv>
#include <optional>

#include "overlays/zynq/mapping.hpp"

namespace fard::zynq {
namespace {

namespace fs = std::filesystem;

// A number as drivers print it: hexadecimal with 0x, else decimal.
std::optional<std::uint64_t> number(const Sys<std::string>& text) {
    if (!text) return std::nullopt;
    const bool hex = text->starts_with("0x");
    const char* begin = text->data() + (hex ? 2 : 0);
    const char* end = text->data() + text->size();
    std::uint64_t value = 0;
    const auto [stop, error] = std::from_chars(begin, end, value, hex ? 16 : 10);
    return error == std::errc{} && stop == end && begin != end ? std::optional(value) : std::nullopt;
}

struct UioMap {
    std::string device, name;  // "uio0", "idma0"
    std::uint64_t address = 0, bytes = 0, offset = 0;
    bool holds(std::uint64_t at) const { return at >= address && at - address < bytes; }
};

std::vector<UioMap> uio_maps(Host& host, const Roots& roots) {
    std::vector<UioMap> maps;
    const auto directory = roots.sys / "class" / "uio";
    for (const auto& device : host.list(directory).value_or(std::vector<std::string>{})) {
        const auto map = directory / device / "maps" / "map0";
        const auto address = number(host.read(map / "addr")), bytes = number(host.read(map / "size"));
        if (!address || !bytes) continue;
        maps.push_back({device, host.read(directory / device / "name").value_or(""), *address, *bytes,
                        number(host.read(map / "offset")).value_or(0)});
    }
    return maps;
}

const UioMap* map_of(const std::vector<UioMap>& maps, const RegisterBlock& block) {
    for (const auto& map : maps)
        if (map.holds(block.address)) return &map;
    return nullptr;
}

std::string names_of(const std::vector<UioMap>& maps) {
    std::string text;
    for (const auto& map : maps)
        text += fmt::format("{}{} ({}, 0x{:x})", text.empty() ? "" : ", ", map.device, map.name, map.address);
    return text.empty() ? "none" : text;
}

std::vector<MemoryPlace> buffers(Host& host, const Roots& roots) {
    std::vector<MemoryPlace> found;
    for (const char* kind : {"u-dma-buf", "udmabuf"}) {  // its class had the second name before version 2
        const auto directory = roots.sys / "class" / kind;
        for (const auto& name : host.list(directory).value_or(std::vector<std::string>{})) {
            const auto address = number(host.read(directory / name / "phys_addr"));
            const auto bytes = number(host.read(directory / name / "size"));
            if (!address || !bytes) continue;
            const bool coherent = number(host.read(directory / name / "dma_coherent")) == 1u;
            found.push_back({roots.dev / name, coherent ? fs::path() : directory / name, name, *address, *bytes});
        }
    }
    return found;
}

}  // namespace

Result<RegisterPlace> find_registers(Host& host, const Roots& roots, const RegisterBlock& block) {
    const auto maps = uio_maps(host, roots);
    const auto* map = map_of(maps, block);
    if (!map)
        return fail(Fault::not_found, "{}: no UIO device has the registers of {} at 0x{:x} (there are: {}); they come from the "
                    "device tree, by an overlay or a node 'generic-uio' (docs/boards.md)",
                    (roots.sys / "class" / "uio").string(), block.name, block.address, names_of(maps));
    const auto offset = block.address - map->address;
    if (block.bytes == 0 || block.bytes > map->bytes - offset)
        return fail(Fault::invalid_input, "the registers of {} (0x{:x}, {} bytes) reach outside of what {} maps (0x{:x}, {} bytes): "
                    "the package and the device tree are of different designs", block.name, block.address, block.bytes, map->device,
                    map->address, map->bytes);
    return RegisterPlace{roots.dev / map->device, map->offset + offset, block.bytes};
}

Result<std::unique_ptr<Registers>> open_registers(Host& host, const Roots& roots, const RegisterBlock& block) {
    const auto place = find_registers(host, roots, block);
    if (!place) return fail(place.error());
    auto all = host.map_registers(place->device, place->offset + place->bytes);
    if (!all) return fail(Fault::io, "{}", explain(all.error(), place->device));
    return window_of(std::move(*all), place->offset, place->bytes);
}

bool has_registers(Host& host, const Roots& roots, const std::vector<RegisterBlock>& blocks) {
    const auto maps = uio_maps(host, roots);
    for (const auto& block : blocks)
        if (!map_of(maps, block)) return false;
    return true;
}

std::vector<MemoryPlace> find_memory(Host& host, const Roots& roots, const std::string& name) {
    auto found = buffers(host, roots);
    for (const auto& map : uio_maps(host, roots))
        if (!name.empty() && map.name == name) found.push_back({roots.dev / map.device, {}, name, map.address, map.bytes});
    return found;
}

Error no_memory(const std::vector<MemoryPlace>& found, const std::string& name, std::uint64_t bytes) {
    std::string there;
    for (const auto& place : found) there += fmt::format("{}{} ({} bytes)", there.empty() ? "" : ", ", place.name, place.bytes);
    return {Fault::not_found,
            fmt::format("no memory of {} bytes{} that the fabric can read (there is: {}); load u-dma-buf with a larger buffer{} "
                        "(docs/boards.md)", bytes, name.empty() ? "" : " named " + name, there.empty() ? "none" : there,
                        name.empty() ? "" : ", or give another dma_memory in the board's configuration")};
}

Result<std::unique_ptr<DmaMemory>> open_memory(Host& host, const Roots& roots, const std::string& name, std::uint64_t bytes) {
    const auto found = find_memory(host, roots, name);
    for (const auto& place : found) {
        if ((!name.empty() && place.name != name) || place.bytes < bytes) continue;
        auto memory = host.map_memory(place.device, place.sync, place.address, place.bytes);
        if (!memory) return fail(Fault::io, "{}", explain(memory.error(), place.device));
        return std::move(*memory);
    }
    return fail(no_memory(found, name, bytes));
}

}  // namespace fard::zynq
