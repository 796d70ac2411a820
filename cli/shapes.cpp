#include "cli/shapes.hpp"

#include <charconv>

namespace fard::cli {
namespace {

// "1x3x224x224"; empty where it is not that.
model::Shape parse_shape(std::string_view text) {
    model::Shape shape;
    const char* at = text.data();
    const char* end = at + text.size();
    for (;;) {
        std::int64_t extent = 0;
        const auto [next, error] = std::from_chars(at, end, extent);
        if (error != std::errc{} || extent < 1) return {};
        shape.push_back(extent);
        if (next == end) return shape;
        if (*next != 'x') return {};
        at = next + 1;
    }
}

}  // namespace

OptionSpec shape_option() {
    return {"shape", "NAME=1x3x224x224", "the shape of an input that the file leaves open; may be repeated",
            true};
}

Result<model::InputShapes> read_shapes(const Options& options) {
    model::InputShapes shapes;
    for (const auto& text : options.texts("shape")) {
        const auto equals = text.rfind('=');
        const auto shape = equals == std::string::npos
                               ? model::Shape{}
                               : parse_shape(std::string_view(text).substr(equals + 1));
        if (equals == 0 || shape.empty() || shape.size() > 8)
            return fail(Fault::invalid_input, "--shape {}: it is NAME=EXTENTxEXTENT..., like x=1x3x224x224",
                        text);
        shapes[text.substr(0, equals)] = shape;
    }
    return shapes;
}

}  // namespace fard::cli
