/// Words that a machine's process obeys.
package enum MachineOrder {
    /// Have the guest shut down; `OK` when it was told to.
    package static let stop = "STOP"
}
