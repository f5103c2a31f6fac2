import CLinux
import SystemPackage

/// What this process does to its children, and holds back from itself.
extension HostProcess {
    /// From now on the orphans among this process's descendants become its children.
    package static func adoptOrphans() throws(HostError) {
        let result = caisson_adopt_orphans()
        guard result == 0 else { throw HostError("adopt", "orphaned processes", Errno(rawValue: -result)) }
    }

    /// Gives this process a mount namespace of its own, which ends with it and its children. Only for a process of one thread.
    package static func leaveMounts() throws(HostError) {
        let result = caisson_leave_mounts()
        guard result == 0 else { throw HostError("make", "a mount namespace", Errno(rawValue: -result)) }
    }

    /// All words of the environment.
    package static var environment: [String] {
        var words: [String] = []
        // SAFETY: ends with a null pointer; nothing here changes the environment.
        guard var next = unsafe caisson_environment() else { return words }
        while let word = unsafe next.pointee {
            words.append(unsafe String(cString: word))
            unsafe next += 1
        }
        return words
    }

    /// All processes below one, zombies among them; none where /proc does not tell.
    package static func descendants(of process: Int32) -> [Int32] {
        var found: [Int32] = []
        var waiting = [process]
        while let next = waiting.popLast() {
            let children = children(of: next).filter { !found.contains($0) }
            found += children
            waiting += children
        }
        return found
    }

    private static func children(of process: Int32) -> [Int32] {
        unsafe [Int32](unsafeUninitializedCapacity: 4096) { buffer, count in
            // SAFETY: room for as many as it may write.
            count = Int(max(0, unsafe caisson_list_children(process, buffer.baseAddress, Int32(buffer.count))))
        }
    }

    package static var ownID: Int32 { getpid() }

    /// Seconds since 1970.
    package static var timeOfDay: Int { time(nil) }

    /// Kills every descendant, and waits until there is none. Adopted orphans are among them.
    package static func endDescendants() {
        for _ in 0..<1000 {
            let all = descendants(of: getpid())
            if all.isEmpty { return }
            for process in all { kill(process, SIGKILL) }
            reapEnded()
            usleep(2000)
        }
    }

    /// Forgets adopted orphans that have ended.
    package static func reapEnded() { caisson_reap_ended() }

    /// The processors that this process may use, in order.
    package static var processors: [Int] {
        let numbers = unsafe [Int32](unsafeUninitializedCapacity: 1024) { buffer, count in
            // SAFETY: room for as many as it may write.
            count = Int(max(0, unsafe caisson_get_processors(buffer.baseAddress, Int32(buffer.count))))
        }
        return numbers.map(Int.init)
    }

    /// Lets this process, and those that it starts, use only some processors.
    package static func useProcessors(_ numbers: [Int]) throws(HostError) {
        let raw = numbers.map(Int32.init)
        // SAFETY: as many numbers as are named.
        let result = unsafe caisson_set_processors(raw, Int32(raw.count))
        guard result == 0 else {
            let list = numbers.map(String.init).joined(separator: ",")
            throw HostError("use", "processors \(list)", Errno(rawValue: -result))
        }
    }

    /// Holds back the signals that ask a process to end, from now on.
    package static func holdEndingSignals() { _ = caisson_hold_ending_signals() }

    /// Which of them has come; nil if none has.
    package static var heldEndingSignal: Int32? {
        let number = caisson_held_ending_signal()
        return number == 0 ? nil : number
    }

    /// What a process holds of the host's memory, in bytes, where what several share is divided by their number; nil where /proc
    /// does not tell.
    package static func proportionalSetSize(of process: Int32) -> UInt64? {
        guard let text = try? HostFile.text(of: "/proc/\(process)/smaps_rollup") else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix("Pss:") {
            return line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { UInt64($0) }.map { $0 << 10 }
        }
        return nil
    }
}
