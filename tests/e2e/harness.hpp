// What the end-to-end tests share: the real `fard`, real `fardd`s and jobs, and the processes that they are.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace fard::e2e {

namespace fs = std::filesystem;

fs::path build_root();   // FARD_BUILD_ROOT, set by Meson
fs::path source_root();  // FARD_SOURCE_ROOT, set by Meson

// FARD_TEST_DATA or ../shared/data beside the sources; nothing where it is absent (says "skipped" once).
std::optional<fs::path> test_data();

// A directory of mode 0700 below the system's temporary one, removed with all it holds.
class TempDir {
  public:
    TempDir();
    ~TempDir();
    TempDir(const TempDir&) = delete;
    const fs::path& path() const { return path_; }
    fs::path write(const std::string& name, const std::string& text) const;

  private:
    fs::path path_;
};

struct Outcome {
    int exit_code = -1;  // 128 + signal for a signal; -1 when it did not end in time (and was killed)
    std::string out, err;
    std::chrono::duration<double> took{};
    nlohmann::json json() const { return nlohmann::json::parse(out, nullptr, false); }
};

// A program that runs in the background; killed and reaped by the destructor.
class Background {
  public:
    Background(const std::vector<std::string>& command, const std::map<std::string, std::string>& environment,
               const fs::path& directory = "/");
    Background(Background&&) noexcept;
    ~Background();
    pid_t pid() const { return pid_; }
    void signal(int number) const;
    Outcome wait(std::chrono::milliseconds limit = std::chrono::minutes(3));

  private:
    pid_t pid_ = -1;
    int out_ = -1, err_ = -1;
    std::chrono::steady_clock::time_point started_;
};

// A user's world: a runtime directory of its own, so that tests do not meet anybody's cluster.
class World {
  public:
    World();
    ~World();  // takes a cluster that is still up down
    Background start(std::vector<std::string> arguments, const fs::path& directory = "/") const;
    Outcome fard(std::vector<std::string> arguments,
                 std::chrono::milliseconds limit = std::chrono::minutes(3)) const;  // runs `fard ARGUMENTS`
    void up(int boards, std::vector<std::string> more = {});
    void down();

    const fs::path& directory() const { return runtime_.path(); }
    std::vector<pid_t> node_managers() const;  // fardd processes of this world's clusters
    std::vector<pid_t> jobs() const;           // jobs of those
    std::vector<pid_t> parked() const;         // their parked job programs
    const TempDir& files() const { return files_; }

  private:
    TempDir runtime_, files_;
    bool up_ = false;
};

std::vector<pid_t> children_of(pid_t parent);
std::vector<pid_t> jobs_of(pid_t node_manager);    // its children, but for parked job programs
std::vector<pid_t> parked_of(pid_t node_manager);  // those
std::size_t open_descriptors(pid_t pid);
std::size_t resident_kib(pid_t pid);
bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit);
std::string read_file(const fs::path& file);

}  // namespace fard::e2e
