import Glibc

enum HostProcessUser {
    static var isRoot: Bool { geteuid() == 0 }
}
