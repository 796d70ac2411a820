#include "jobs/result_check.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "overlays/soft/soft_device.hpp"

namespace fard {

Result<std::unique_ptr<ResultCheck>> ResultCheck::begin(const Package& package, std::uint64_t every, int device_fd) {
    auto soft = open_soft_device("cpu0");
    if (!soft) return fail(soft.error());
    std::unique_ptr<ResultCheck> check(new ResultCheck(std::move(*soft), every));
    if (auto loading = check->worker_.load(package); !loading) return fail(loading.error());
    check->news_ = OwnedFd(::epoll_create1(EPOLL_CLOEXEC));
    for (const int fd : {device_fd, check->worker_.fd()}) {
        epoll_event event{.events = EPOLLIN, .data = {}};
        if (::epoll_ctl(check->news_.get(), EPOLL_CTL_ADD, fd, &event) != 0)
            return fail(Fault::io, "cannot wait for a device and its check: {}", std::strerror(errno));
    }
    return check;
}

std::shared_ptr<StageWork> ResultCheck::compute(const Chunk& chunk) {
    auto work = std::make_shared<StageWork>();
    for (const auto& tensor : chunk.tensors)
        work->inputs.emplace_back(tensor.bytes().begin(), tensor.bytes().end());
    worker_.begin(work);
    return work;
}

Result<> same_results(const StageWork& right, const Chunk& result, const std::string& device) {
    if (!right.end) return fail_in("checking a result", right.end.error());
    for (std::size_t i = 0; i < result.tensors.size(); ++i) {
        const auto bytes = result.tensors[i].bytes();
        const auto [differs, _] = std::ranges::mismatch(bytes, right.results[i]);
        if (differs != bytes.end())
            return fail(Fault::io, "device {} gave a wrong result for chunk {}: tensor {} differs from the CPU's at byte {}", device,
                        result.index, i, differs - bytes.begin());
    }
    return {};
}

}  // namespace fard
