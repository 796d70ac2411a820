#include "cli/output_files.hpp"

#include <doctest/doctest.h>

#include "tests/scratch_dir.hpp"

using namespace fard;
using namespace fard::cli;

namespace {

TensorDesc scores() {
    TensorDesc tensor;
    tensor.name = "scores";
    tensor.shape = {1, 10};
    tensor.layout = "NC";
    tensor.type = DataType::sint(8);
    tensor.declared = "INT8";
    return tensor;
}

}  // namespace

TEST_CASE("an output of a name that the network does not have is no file of that name") {
    ScratchDir dir;
    const auto file = (dir.path() / "out.npy").string();
    const auto wrong = OutputFiles::create({"score=" + file}, {scores()});
    REQUIRE_FALSE(wrong);
    CHECK(wrong.error().message.find("'score'") != std::string::npos);
    CHECK(wrong.error().message.find("scores") != std::string::npos);
    CHECK(std::filesystem::is_empty(dir.path()));
    CHECK(OutputFiles::create({"scores=" + file}, {scores()}));
    CHECK(OutputFiles::create({(dir.path() / "a=b.npy").string()}, {scores()}));
}
