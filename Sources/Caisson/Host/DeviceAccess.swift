import HostIO

/// Who may open a device, and who this process is.
struct DeviceAccess: Equatable {
    var owner: String
    var group: String
    /// The device's permission bits.
    var mode: UInt32
    /// Whether the process has the device's group among its own.
    var isInGroup: Bool
    /// Whether the user is a member of the device's group by /etc/group, in which case the next login has it.
    var willBeInGroup: Bool

    var groupMayUse: Bool { mode & 0o060 == 0o060 }

    /// What the device file's own entry says; nil where there is none.
    init?(device: String, root: String) {
        guard let ownership = HostFile.ownership(of: device) else { return nil }
        func fields(_ file: String) -> [[Substring]] {
            let text = (try? HostFile.text(of: root + file)) ?? ""
            return text.split(separator: "\n").map { $0.split(separator: ":", omittingEmptySubsequences: false) }
        }
        let users = fields("/etc/passwd").filter { $0.count > 2 }
        let groups = fields("/etc/group").filter { $0.count > 3 }
        func name(_ entries: [[Substring]], _ id: UInt32) -> String {
            entries.first { $0[2] == "\(id)" }.map { String($0[0]) } ?? "\(id)"
        }
        owner = name(users, ownership.user)
        group = name(groups, ownership.group)
        mode = ownership.permissions & 0o777

        let own = name(users, HostProcess.userID)
        let processStatus = (try? HostFile.text(of: "\(root)/proc/self/status")) ?? ""
        let line = processStatus.split(separator: "\n").first { $0.hasPrefix("Groups:") }
        let supplementary = line?.dropFirst(7).split(whereSeparator: \.isWhitespace) ?? []
        isInGroup = HostProcess.groupID == ownership.group || supplementary.contains("\(ownership.group)")
        willBeInGroup = groups.contains { entry in
            entry[2] == "\(ownership.group)" && entry[3].split(separator: ",").contains { $0 == own }
        }
    }

    init(owner: String, group: String, mode: UInt32, isInGroup: Bool, willBeInGroup: Bool) {
        self.owner = owner
        self.group = group
        self.mode = mode
        self.isInGroup = isInGroup
        self.willBeInGroup = willBeInGroup
    }

    /// How to get permission to open `device`.
    func advice(device: String) -> String {
        if isInGroup && groupMayUse {
            return "the file's permissions would do: a container's list of devices or a security module forbids it"
        }
        if willBeInGroup && groupMayUse {
            return "you are in group \(group) since after this login: log in again"
        }
        if groupMayUse && group != "root" {
            return "sudo usermod -aG \(group) $USER, then log in again"
        }
        return "sudo chgrp kvm \(device) && sudo chmod 660 \(device) && sudo usermod -aG kvm $USER, then log in again"
    }
}
