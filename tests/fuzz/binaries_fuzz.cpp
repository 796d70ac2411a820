// Any bytes as an IDX or a CIFAR-10 file: refused, or every record can be read.
#include <algorithm>
#include <cstdlib>

#include "client/input_sources.hpp"

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

void check_records(std::size_t count, const auto& record) {
    for (std::size_t i = 0; i < std::min<std::size_t>(count, 4); ++i) {
        record(i);
        record(count - 1 - i);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace fard;
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    if (const auto header = parse_idx(bytes, "fuzz")) {
        const auto count = static_cast<std::size_t>(header->shape[0]);
        check_records(count, [&](std::size_t index) {
            const auto item = idx_item(bytes, *header, index, "fuzz");
            const auto* image = std::get_if<Image>(&item.data);
            const auto held = image ? image->pixels.size() : std::get<Row>(item.data).bytes.size();
            require(held == (size - header->data_at) / count);
        });
    }
    if (looks_like_cifar10(bytes)) {
        check_records(size / cifar10_record_bytes, [&](std::size_t index) {
            const auto record = cifar10_record(bytes, index, "fuzz");
            require(record.label && *record.label >= 0 && *record.label <= 9);
            require(std::get<Image>(record.data).pixels.size() == 3072);
        });
    }
    return 0;
}
