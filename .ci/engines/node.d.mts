/** The program of Node `major`, or undefined where it is not installed or does not run. */
export declare function pinnedNode(major: number): string | undefined;
/** The same, installed from npm first where it is not there. Without a network, the result is undefined. */
export declare function installedNode(major: number): string | undefined;
