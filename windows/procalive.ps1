# procalive.ps1: for scripts of PowerShell.  Load it with:  . .\procalive.ps1
#
#   procalive_guard F $PSCommandPath $args   first line: this script runs once at a
#                                            time, or ends with 75
#   if (procalive_check F) { ... }           whether somebody holds F; an error
#                                            where that cannot be told
#   procalive_beat                           all is well, says the job
#
# Needs procalive.exe on PATH, but for procalive_check.  See procalive-windows(7).

# The open that only a holder refuses: the same as in procalive.py.
function procalive_check {
    param([Parameter(Mandatory)][string]$File)
    $full = $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($File)
    $share = [IO.FileShare]::Read -bor [IO.FileShare]::Delete
    try {
        [IO.File]::Open($full, [IO.FileMode]::Open, [IO.FileAccess]::Read, $share).Dispose()
        return $false
    }
    catch [IO.FileNotFoundException], [IO.DirectoryNotFoundException] { return $false }
    catch [IO.IOException] {
        if ($_.Exception.HResult -eq 0x80070020) { return $true } # ERROR_SHARING_VIOLATION
        throw
    }
}

# Run the script again as the job of `procalive hold`, unless it is that already.
function procalive_guard {
    param([Parameter(Mandatory)][string]$File, [Parameter(Mandatory)][string]$Script, [string[]]$Arguments = @())
    procalive check --mine $File
    if ($LASTEXITCODE -eq 0) { return }
    $shell = (Get-Process -Id $PID).Path
    procalive hold $File -- $shell -NoProfile -File $Script @Arguments
    exit $LASTEXITCODE
}

# The beat is the time of F's last write.  To set it takes no right to write data,
# so the holder's own share mode does not forbid it.
function procalive_beat {
    param([string]$File = $env:PROCALIVE_FIFO)
    if (-not ('Procalive.Beat' -as [type])) {
        Add-Type -Namespace Procalive -Name Beat -MemberDefinition @'
[DllImport("kernel32", CharSet = CharSet.Unicode, SetLastError = true)]
public static extern Microsoft.Win32.SafeHandles.SafeFileHandle CreateFileW(
    string name, uint access, uint share, IntPtr security, uint how, uint flags, IntPtr template);
[DllImport("kernel32", SetLastError = true)]
public static extern bool SetFileTime(
    Microsoft.Win32.SafeHandles.SafeFileHandle file, IntPtr created, IntPtr read, ref long written);
'@
    }
    # FILE_WRITE_ATTRIBUTES, all shared, OPEN_EXISTING
    $handle = [Procalive.Beat]::CreateFileW($File, 0x100, 7, [IntPtr]::Zero, 3, 0, [IntPtr]::Zero)
    $now = [DateTime]::UtcNow.ToFileTimeUtc()
    $done = -not $handle.IsInvalid -and [Procalive.Beat]::SetFileTime($handle, [IntPtr]::Zero, [IntPtr]::Zero, [ref]$now)
    $handle.Dispose()
    if (-not $done) { throw "procalive: ${File}: no beat" }
}
