/// What `guest-images/workloads/build` would make, of busybox and a script: for tests of what runs workloads.
package struct StandInWorkloads {
    package let path: String

    /// - Parameters:
    ///   - folder: where it will be.
    ///   - isArchive: whether the root file system is an archive.
    package init(in folder: Folder, isArchive: Bool = false) {
        path = folder.folder("workloads")
        let bin = folder.folder("workloads/root/bin")
        _ = Child.run("/bin/cp", ["/bin/busybox", bin])
        for name in ["sh", "true", "sleep", "mount", "ip", "stty", "cat"] {
            _ = Child.run("/bin/ln", ["-s", "busybox", "\(bin)/\(name)"])
        }
        folder.file("workloads/root/bin/workload", Self.script, mode: 0o755)
        if isArchive {
            let archived = Child.run("/bin/tar", ["-cf", "\(path)/root.tar", "-C", "\(path)/root", "."])
            precondition(archived.status == 0, archived.errors)
            _ = Child.run("/bin/rm", ["-rf", "\(path)/root"])
        }
    }

    private static let script = """
        #!/bin/sh
        case $1 in
        list)
            printf 'count\\tcompute\\tcounts to a hundred\\n'
            printf 'broken\\tcompute\\tfails\\n'
            printf 'endless\\tcompute\\tdoes not end\\n'
            printf 'talker\\tcompute\\tprints what is no metric\\n'
            printf 'compile\\tapplication\\tneeds a compiler\\n'
            ;;
        count)
            i=0
            while [ $i -lt 100 ]; do i=$((i + 1)); done
            echo kept >/tmp/file && read word </tmp/file && [ "$word" = kept ] || exit 1
            printf 'counted\\t%s\\t1/s\\thigher\\n' $i
            [ "$2" = --quick ] || printf 'whole\\t1.5\\tms\\tlower\\n'
            ;;
        broken) echo 'workload broken: it is broken' >&2; exit 1 ;;
        endless) sleep 1000 ;;
        talker) echo 'hello' ;;
        esac
        """
}
