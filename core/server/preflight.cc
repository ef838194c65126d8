// SPDX-License-Identifier: Apache-2.0
#include "server/preflight.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "plugin_host/draw.h"
#include "plugin_host/host_tables.h"
#include "server/commands.h"

extern char** environ;

namespace gw::server {

namespace {

using base::Error;

// The child keeps a diary on its standard error: a line that begins with this byte says what comes
// next. All else was said by plugins.
constexpr char kMark = '\x01';
constexpr std::string_view kDone =
    "\x01"
    "done";
constexpr std::size_t kMostSaid = 200;

void note(const std::string& phase, const std::string& plugin) {
  const std::string line = kMark + phase + "\t" + plugin + "\n";
  (void)!::write(STDERR_FILENO, line.data(), line.size());
}

void limit(int resource, rlim_t most) {
  rlimit now{};
  if (::getrlimit(static_cast<__rlimit_resource>(resource), &now) != 0) return;
  now.rlim_cur = std::min(now.rlim_max, most);
  ::setrlimit(static_cast<__rlimit_resource>(resource), &now);
}

std::string signal_text(int signal) {
  const char* name = ::sigabbrev_np(signal);
  const char* words = ::sigdescr_np(signal);
  if (name == nullptr || words == nullptr) return "signal " + std::to_string(signal);
  return "SIG" + std::string(name) + " (" + words + ")";
}

std::string read_diary(int fd) {
  std::string text(64 * 1024, '\0');
  const off_t size = ::lseek(fd, 0, SEEK_END);
  const off_t from = std::max<off_t>(0, size - static_cast<off_t>(text.size()));
  const ssize_t got = ::pread(fd, text.data(), text.size(), from);
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return text;
}

struct Diary {
  std::string mark;  // the last one: "create\tqueue"
  std::string said;  // the last line of a plugin's
};

Diary last_lines(const std::string& text) {
  Diary diary;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    if (line.starts_with(kMark)) {
      diary.mark = line;
    } else if (!line.empty()) {
      diary.said = line.substr(0, kMostSaid);
    }
    at = end + 1;
  }
  return diary;
}

}  // namespace

std::vector<std::string> Preflight::candidates(
    const config::GatewayConfig& next,
    const std::vector<std::shared_ptr<plugin_host::Instance>>& running) {
  std::vector<std::string> names;
  for (const config::PluginConfig& plugin : next.plugins) {
    auto path = plugin_host::plugin_file(next, plugin.file);
    if (!path) continue;
    auto file = plugin_host::read_trusted(*path);
    if (!file) continue;
    const bool same = std::any_of(running.begin(), running.end(), [&](const auto& instance) {
      return instance->is(file->hash, plugin.name, plugin.fingerprint);
    });
    if (!same) names.push_back(plugin.name);
  }
  return names;
}

base::Result<std::unique_ptr<Preflight>> Preflight::start(net::Loop& main,
                                                          const std::string& config,
                                                          const std::vector<std::string>& plugins,
                                                          std::uint32_t timeout_ms, Done done) {
  std::unique_ptr<Preflight> made(new Preflight);
  made->diary_ = ::memfd_create("gateway-preflight", MFD_CLOEXEC);
  if (made->diary_ < 0) return Error{std::string("memfd_create: ") + std::strerror(errno)};

  if (auto folder = made->folder_.make(); !folder) return Error{folder.error()};

  std::vector<std::string> words = {"gateway", "--config", config, "preflight",
                                    made->folder_.path().string()};
  words.insert(words.end(), plugins.begin(), plugins.end());
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);

  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDWR, 0);
  ::posix_spawn_file_actions_adddup2(&files, STDIN_FILENO, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&files, made->diary_, STDERR_FILENO);
  ::posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  // A group of its own, so that whatever it starts can be ended with it.
  ::posix_spawnattr_setflags(
      &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  pid_t child = -1;
  const int failed =
      ::posix_spawn(&child, "/proc/self/exe", &files, &attributes, arguments.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&files);
  if (failed != 0) return Error{std::string("posix_spawn: ") + std::strerror(failed)};
  made->child_ = child;
  made->handle_ = static_cast<int>(::syscall(SYS_pidfd_open, child, 0));
  if (made->handle_ < 0) return Error{std::string("pidfd_open: ") + std::strerror(errno)};
  made->watch_ = net::FdWatch::create(
      main, made->handle_, net::FdWatch::kRead,
      [](void* self, std::uint32_t) { static_cast<Preflight*>(self)->ended(); }, made.get());
  if (made->watch_ == nullptr) return Error{"a process cannot be watched"};
  made->timeout_ms_ = timeout_ms;
  made->patience_.start(
      main, timeout_ms, 0,
      [](void* self) {
        auto& preflight = *static_cast<Preflight*>(self);
        preflight.late_ = true;
        ::kill(-preflight.child_, SIGKILL);
      },
      made.get());
  made->done_ = std::move(done);
  return made;
}

Preflight::~Preflight() {
  watch_.reset();
  if (child_ > 0) {
    ::kill(-child_, SIGKILL);
    while (::waitpid(child_, nullptr, 0) < 0 && errno == EINTR) continue;
  }
  if (handle_ >= 0) ::close(handle_);
  if (diary_ >= 0) ::close(diary_);
}

void Preflight::ended() {
  int status = 0;
  const pid_t got = ::waitpid(child_, &status, WNOHANG);
  if (got == 0 || (got < 0 && errno == EINTR)) return;
  ::kill(-child_, SIGKILL);  // what it left running
  child_ = -1;
  patience_.cancel();
  watch_.reset();
  const std::optional<Failure> failure = judge(status);
  std::exchange(done_, nullptr)(failure);  // may destroy this
}

std::optional<Preflight::Failure> Preflight::judge(int status) const {
  const Diary diary = last_lines(read_diary(diary_));
  if (!late_ && diary.mark == kDone && WIFEXITED(status) && WEXITSTATUS(status) == 0)
    return std::nullopt;
  const std::size_t tab = diary.mark.find('\t');
  Failure failure;
  std::string phase = "before any plugin was loaded";
  if (tab != std::string::npos) {
    phase = diary.mark.substr(1, tab - 1);
    failure.plugin = diary.mark.substr(tab + 1);
  }
  if (late_) {
    failure.why = "did not return within " + std::to_string(timeout_ms_) + " ms " + phase;
  } else if (WIFSIGNALED(status)) {
    failure.why = "crashed " + phase + ": " + signal_text(WTERMSIG(status));
  } else {
    failure.why =
        "ended the process " + phase + ", with status " + std::to_string(WEXITSTATUS(status));
  }
  if (!diary.said.empty()) failure.why += "; its last words: " + diary.said;
  return failure;
}

ExitCode preflight(const std::string& path, const std::vector<std::string>& arguments) {
  if (arguments.empty()) return kUsage;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_FSIZE, plugin_host::kMaxLibraryBytes);
  settings::Complaints complaints;
  auto config = config::load_file(path, load_options(), complaints);
  if (config == nullptr) return kFailure;
  base::SystemClock clock;
  base::MetricsRegistry metrics;
  base::HealthRegistry health;
  plugin_host::Host host{base::Log(), clock, metrics, health};
  host.worker_count = config->server.workers;
  plugin_host::Libraries libraries(base::Log(), plugin_host::host_tables());
  libraries.use_folder(arguments[0]);
  for (std::size_t i = 1; i < arguments.size(); ++i)
    plugin_host::try_plugin(host, libraries, config, arguments[i], &note);
  const std::string line = std::string(kDone) + "\n";
  return ::write(STDERR_FILENO, line.data(), line.size()) > 0 ? kSuccess : kFailure;
}

}  // namespace gw::server
