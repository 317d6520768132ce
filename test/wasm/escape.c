// Tries to get out of its folders, one step after another. argv[1] is the host path of a file it must not see.
// Prints a line per step: `refused` with the error, or `LEAKED`. The folders are laid out by wasm-escape.test.ts.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int step_number;

static void judge(const char *name, int is_through) {
  int error = errno;
  step_number++;
  printf("%d\t%s\t%s\t%s\n", step_number, name, is_through ? "LEAKED" : "refused", is_through ? "" : strerror(error));
}

#define TRY(call) judge(#call, (errno = 0, (call) >= 0))

static int read_at(int dir, const char *path) {
  int fd = openat(dir, path, O_RDONLY);
  if (fd < 0) return -1;
  char buffer[256];
  ssize_t n = read(fd, buffer, sizeof buffer - 1);
  close(fd);
  if (n > 0) printf("%.*s\n", (int)n, buffer);
  return 0;
}

static int read_file(const char *path) {
  int fd = open(path, O_RDONLY);
  if (fd < 0) return -1;
  char buffer[256];
  ssize_t n = read(fd, buffer, sizeof buffer - 1);
  close(fd);
  if (n > 0) printf("%.*s\n", (int)n, buffer);
  return 0;
}

static int write_file(const char *path, int flags) {
  int fd = open(path, flags, 0666);
  if (fd < 0) return -1;
  int result = (int)write(fd, "overwritten", 11);
  close(fd);
  return result;
}

static int make(const char *path) {
  int fd = open(path, O_WRONLY | O_CREAT, 0666);
  if (fd < 0) return -1;
  return close(fd);
}

static int list(const char *path) {
  DIR *dir = opendir(path);
  if (!dir) return -1;
  closedir(dir);
  return 0;
}

static int look(const char *path) {
  struct stat found;
  return stat(path, &found);
}

static void paths(const char *canary) {
  TRY(read_file("../secret/canary.txt"));
  TRY(read_file("/../secret/canary.txt"));
  TRY(read_file("/inputs/../../secret/canary.txt"));
  TRY(read_file("/inputs/../secret/canary.txt"));
  TRY(read_file("/inputs/sub/./.././../../secret/canary.txt"));
  TRY(read_file("/inputs//..//..//secret//canary.txt"));
  TRY(read_file("/inputs/ok.txt/../../secret/canary.txt"));
  TRY(read_file("/etc/passwd"));
  TRY(read_file(canary));
  TRY(read_file("/proc/self/environ"));
  TRY(read_file("/proc/1/root/etc/passwd"));
  TRY(read_file("/proc/self/fd/3"));
  TRY(read_file("/dev/zero"));
  TRY(list("/proc"));
  TRY(list("/inputs/../.."));
}

static void host_links(void) {
  TRY(read_file("/inputs/absolute"));
  TRY(read_file("/inputs/relative"));
  TRY(read_file("/inputs/folder-absolute/canary.txt"));
  TRY(read_file("/inputs/folder-relative/canary.txt"));
  TRY(read_file("/inputs/chain-1"));
  TRY(read_file("/inputs/sub/up/secret/canary.txt"));
  TRY(read_file("/inputs/through"));
  TRY(read_file("/inputs/loop"));
  TRY(read_file("/inputs/hop-00"));
  TRY(read_file("/inputs/etc/hostname"));
  TRY(read_file("/inputs/proc/self/environ"));
  TRY(read_file("/inputs/other-mount"));
  TRY(read_file("/inputs/pipe"));
  TRY(list("/inputs/folder-absolute"));
  TRY(look("/inputs/absolute"));
  TRY(look("/inputs/folder-relative/canary.txt"));
  TRY(write_file("/outputs/planted", O_WRONLY));
  TRY(write_file("/outputs/planted", O_WRONLY | O_CREAT | O_TRUNC));
}

static void descriptors(const char *canary) {
  int inputs = open("/inputs", O_RDONLY | O_DIRECTORY);
  int sub = open("/inputs/sub", O_RDONLY | O_DIRECTORY);
  TRY(read_at(inputs, "../secret/canary.txt"));
  TRY(read_at(inputs, ".."));
  TRY(read_at(sub, "../../secret/canary.txt"));
  TRY(read_at(sub, "../ok.txt"));
  TRY(read_at(inputs, canary));
  TRY(read_at(inputs, "folder-absolute/canary.txt"));
  close(inputs);
  close(sub);
}

static void inputs_change(void) {
  TRY(write_file("/inputs/ok.txt", O_WRONLY));
  TRY(write_file("/inputs/ok.txt", O_RDWR | O_APPEND));
  TRY(write_file("/inputs/ok.txt", O_RDONLY | O_TRUNC));
  TRY(write_file("/inputs/new.txt", O_WRONLY | O_CREAT));
  TRY(unlink("/inputs/ok.txt"));
  TRY(rename("/inputs/ok.txt", "/inputs/moved.txt"));
  TRY(rename("/inputs/ok.txt", "/outputs/moved.txt"));
  TRY(rename("/outputs/mine.txt", "/inputs/mine.txt"));
  TRY(rename("/outputs/mine.txt", "/inputs/ok.txt"));
  TRY(link("/inputs/ok.txt", "/outputs/hard.txt"));
  TRY(link("/inputs/ok.txt", "/inputs/hard.txt"));
  TRY(link("/outputs/mine.txt", "/inputs/hard.txt"));
  TRY(symlink("ok.txt", "/inputs/new-link"));
  TRY(mkdir("/inputs/new-folder", 0777));
  TRY(rmdir("/inputs/sub"));
  TRY(utimensat(AT_FDCWD, "/inputs/ok.txt", NULL, 0));
  TRY(truncate("/inputs/ok.txt", 0));
  int fd = open("/inputs/ok.txt", O_RDONLY);
  TRY(write(fd, "x", 1));
  TRY(ftruncate(fd, 0));
  TRY(futimens(fd, NULL));
  close(fd);
  TRY(write_file("/single.txt", O_WRONLY));
  TRY(unlink("/single.txt"));
}

static void tree_change(void) {
  TRY(make("/new.txt"));
  TRY(mkdir("/tmp", 0777));
  TRY(rename("/outputs", "/elsewhere"));
  TRY(rename("/outputs", "/outputs/inside"));
  TRY(rmdir("/outputs"));
  TRY(rmdir("/inputs"));
  TRY(symlink("outputs", "/link"));
}

static void own_links(const char *canary) {
  TRY(symlink(canary, "/outputs/to-canary"));
  TRY(symlink("../secret/canary.txt", "/outputs/to-canary"));
  TRY(symlink("a/../../secret", "/outputs/to-canary"));
  link("/outputs/planted", "/outputs/planted-hard");
  TRY(read_file("/outputs/planted-hard"));
  // A link that is right where it is made, but leads out once it is moved up.
  mkdir("/outputs/a", 0777);
  mkdir("/outputs/a/b", 0777);
  symlink("../../secret", "/outputs/a/b/deep");
  rename("/outputs/a/b/deep", "/outputs/moved");
  TRY(read_file("/outputs/moved/canary.txt"));
  // An open folder whose name becomes a link meanwhile.
  mkdir("/outputs/swap", 0777);
  int swap = open("/outputs/swap", O_RDONLY | O_DIRECTORY);
  rename("/outputs/swap", "/outputs/swapped");
  symlink("a", "/outputs/swap");
  TRY(read_at(swap, "b/../../planted"));
  TRY(read_at(swap, "b"));
  close(swap);
}

int main(int argc, char **argv) {
  const char *canary = argc > 1 ? argv[1] : "/etc/passwd";
  if (read_file("/inputs/ok.txt") < 0 || read_file("/inputs/inside") < 0 || make("/outputs/mine.txt") < 0) {
    perror("what is allowed does not work");
    return 1;
  }
  paths(canary);
  host_links();
  descriptors(canary);
  inputs_change();
  tree_change();
  own_links(canary);
  return 0;
}
