package console

import "fmt"

// text is one text in each language.
type text struct{ en, zh string }

// in returns the text in a language.
func (t text) in(l lang) string {
	if l == chinese {
		return t.zh
	}
	return t.en
}

// T returns a text in the visitor's language; args fill its verbs.
func (v *visit) T(key string, args ...any) string {
	if len(args) == 0 {
		return v.Lang.text(key)
	}
	return fmt.Sprintf(v.Lang.text(key), args...)
}

// text returns the text of a key; a test finds those that there are not.
func (l lang) text(key string) string {
	t, ok := texts[key]
	if !ok {
		return key
	}
	return t.in(l)
}

// texts are all texts of the console.
var texts = map[string]text{
	"login.title":     {"Sign in", "登录"},
	"login.scan":      {"Scan with your phone", "扫码登录"},
	"login.scan.how":  {"Open the app that holds your SM2 key, scan this code and confirm.", "打开持有 SM2 密钥的手机应用，扫描二维码并确认。"},
	"login.scan.who":  {"Your phone shows this browser: %s. Confirm only if it is yours.", "手机上会显示此浏览器的地址：%s。请确认是您本人的浏览器。"},
	"login.scan.save": {"Code as a picture", "二维码图片"},
	"login.password":  {"Or with a password", "密码登录"},
	"login.name":      {"Account", "账号"},
	"login.pass":      {"Password", "密码"},
	"login.button":    {"Sign in", "登录"},
	"login.new":       {"New code", "刷新二维码"},
	"login.done":      {"I have confirmed on my phone", "我已在手机上确认"},
	"login.refused":   {"The name or the password is wrong, or the account may not sign in. Check both and try again.", "账号或密码错误，或该账号不允许登录。请检查后重试。"},
	"login.locked":    {"Too many attempts to sign in to this account failed, so its password is not looked at for a while (a quarter of an hour at most). Wait, scan the code with your phone, or ask an administrator to lift the lock.", "该账号登录失败次数过多，密码登录已暂时锁定（最长 15 分钟）。请稍后再试、使用扫码登录，或请管理员解除锁定。"},
	"login.busy":      {"Too many people are signing in at this moment. Try again in a few seconds.", "当前登录人数过多，请几秒后重试。"},
	"login.disabled":  {"The account is disabled. Ask an administrator to enable it.", "该账号已停用，请联系管理员启用。"},
	"login.throttled": {"Too many attempts from your address failed. Wait a minute and try again.", "您所在地址的失败次数过多，请一分钟后重试。"},
	"login.first":     {"There is no account yet. On the server, make the first one:", "还没有账号。请在服务器上创建第一个账号："},
	"login.first.why": {"The command asks for a password. It needs the operator token, which lies in the data directory.", "该命令会提示输入密码，并需要数据目录中的操作令牌（operator token）。"},

	"scan.created":       {"Waiting for your phone…", "等待手机扫描…"},
	"scan.scanned":       {"Scanned. Now confirm on your phone.", "已扫描，请在手机上确认。"},
	"scan.authenticated": {"Confirmed. Signing you in…", "已确认，正在登录…"},
	"scan.consumed":      {"This code has been used.", "此二维码已使用。"},
	"scan.cancelled":     {"Cancelled on the phone. Nobody was signed in.", "已在手机上取消，未登录。"},
	"scan.expired":       {"This code has expired. Ask for a new one.", "二维码已过期，请刷新。"},
	"scan.finished":      {"This code has been used or was cancelled. Ask for a new one.", "此二维码已使用或已取消，请刷新。"},
	"scan.notyet":        {"Your phone has not confirmed yet. Scan the code and confirm, then try again.", "手机尚未确认。请扫码并确认后再试。"},
	"scan.throttled":     {"Too many codes were asked for from your address. Wait a minute and load the page again, or sign in with a password.", "您所在地址请求的二维码过多。请一分钟后刷新页面，或使用密码登录。"},
	"scan.lost":          {"The connection to the server is interrupted; trying again…", "与服务器的连接中断，正在重试…"},

	"refused.signature":   {"The phone's signature does not verify: the wrong key, or the wrong SM2 user id. You may try again.", "手机签名验证失败：密钥不符或 SM2 用户标识错误。可重试。"},
	"refused.certificate": {"The phone's certificate is not an SM2 certificate for signatures. Use another one.", "手机证书不是 SM2 签名证书，请更换证书。"},
	"refused.untrusted":   {"The phone's certificate was not issued by an authority that this server trusts.", "手机证书不是由本服务器信任的 CA 签发。"},
	"refused.expired":     {"The phone's certificate is not valid today: it has expired or is not valid yet. Renew it.", "手机证书不在有效期内：已过期或尚未生效，请更新证书。"},
	"refused.revoked":     {"The phone's certificate has been revoked by its authority.", "手机证书已被 CA 吊销。"},
	"refused.unbound":     {"The phone's certificate is valid, but bound to no account here (or fits several). Ask an administrator to bind it.", "手机证书有效，但未绑定账号（或匹配多个账号）。请联系管理员绑定。"},
	"refused.disabled":    {"The account of this certificate is disabled. Ask an administrator to enable it.", "该证书绑定的账号已停用，请联系管理员启用。"},

	"nav.overview": {"Overview", "概览"},
	"nav.products": {"Products", "产品"},
	"nav.devices":  {"Devices", "设备"},
	"nav.sessions": {"Sessions", "登录会话"},
	"nav.accounts": {"Accounts", "账号"},
	"nav.audit":    {"Audit", "审计"},
	"nav.me":       {"My account", "我的账号"},
	"nav.logout":   {"Sign out", "退出登录"},
	"nav.skip":     {"Skip to content", "跳到正文"},
	"nav.pages":    {"Pages", "页面"},
	"nav.language": {"中文", "English"},
	"theme.auto":   {"Theme: automatic", "主题：自动"},
	"theme.light":  {"Theme: light", "主题：浅色"},
	"theme.dark":   {"Theme: dark", "主题：深色"},

	"role.viewer":   {"viewer", "查看者"},
	"role.operator": {"operator", "操作员"},
	"role.admin":    {"administrator", "管理员"},

	"said.created":   {"The account was made.", "账号已创建。"},
	"said.role":      {"The role was changed.", "角色已更改。"},
	"said.password":  {"The password was changed; other browsers were signed out.", "密码已更改，其他浏览器已退出登录。"},
	"said.disabled":  {"The account is disabled; its browsers were signed out.", "账号已停用，其浏览器已退出登录。"},
	"said.enabled":   {"The account is enabled, and any lock lifted.", "账号已启用，锁定已解除。"},
	"said.bound":     {"The certificate was bound.", "证书已绑定。"},
	"said.unbound":   {"The binding was removed.", "绑定已解除。"},
	"said.deleted":   {"The account was deleted.", "账号已删除。"},
	"said.ended":     {"The session was ended.", "会话已结束。"},
	"said.suspended": {"The device is suspended.", "设备已停用。"},
	"said.resumed":   {"The device is in use again.", "设备已恢复使用。"},

	"overview.orgs":     {"Organisations", "企业"},
	"overview.org":      {"Organisation", "企业"},
	"overview.licences": {"Licences used", "已用授权"},
	"overview.clients":  {"API clients", "API 客户端"},
	"overview.nodes":    {"Nodes", "节点"},
	"overview.signedin": {"Signed in now", "当前在线"},
	"node.address":      {"Address", "地址"},
	"node.version":      {"Version", "版本"},
	"node.seen":         {"Last seen (UTC)", "最近心跳 (UTC)"},
	"node.state":        {"State", "状态"},
	"node.draining":     {"draining", "排空中"},
	"node.serving":      {"serving", "服务中"},

	"products.none":      {"No products yet: hallmark product create makes one.", "还没有产品：用 hallmark product create 创建。"},
	"products.name":      {"Name", "名称"},
	"products.key":       {"Product key", "产品标识"},
	"products.algorithm": {"Algorithm", "算法"},
	"products.quota":     {"Quota", "配额"},
	"products.used":      {"Used", "已用"},
	"products.created":   {"Created (UTC)", "创建时间 (UTC)"},
	"products.devices":   {"Show devices", "查看设备"},
	"products.unlimited": {"unlimited", "不限"},

	"devices.none":              {"No devices here.", "没有设备。"},
	"devices.search":            {"id2 begins with", "id2 前缀"},
	"devices.find":              {"Find", "查找"},
	"devices.state":             {"State", "状态"},
	"devices.seen":              {"Last seen (UTC)", "最近使用 (UTC)"},
	"devices.suspend":           {"Suspend", "停用"},
	"devices.resume":            {"Resume", "启用"},
	"devices.more":              {"More", "下一页"},
	"devices.name":              {"Name", "名称"},
	"devices.state.unactivated": {"unactivated", "未激活"},
	"devices.state.active":      {"active", "已激活"},
	"devices.state.suspended":   {"suspended", "已停用"},
	"devices.state.discarded":   {"discarded", "已废弃"},
	"devices.state.expired":     {"expired", "已过期"},

	"sessions.who":      {"Account", "账号"},
	"sessions.method":   {"Signed in by", "登录方式"},
	"sessions.from":     {"Address", "地址"},
	"sessions.browser":  {"Browser", "浏览器"},
	"sessions.opened":   {"Since (UTC)", "登录时间 (UTC)"},
	"sessions.seen":     {"Last seen (UTC)", "最近访问 (UTC)"},
	"sessions.end":      {"End", "结束"},
	"sessions.this":     {"this browser", "当前浏览器"},
	"sessions.password": {"password", "密码"},
	"sessions.scan":     {"scan", "扫码"},

	"accounts.new":      {"New account", "新建账号"},
	"accounts.name":     {"Name", "账号名"},
	"accounts.role":     {"Role", "角色"},
	"accounts.state":    {"State", "状态"},
	"accounts.login":    {"Last sign-in (UTC)", "最近登录 (UTC)"},
	"accounts.certs":    {"Certificates", "证书"},
	"accounts.create":   {"Make account", "创建账号"},
	"accounts.pass":     {"Password (at least 12 characters; may stay empty)", "密码（至少 12 个字符，可留空）"},
	"accounts.newpass":  {"New password (at least 12 characters)", "新密码（至少 12 个字符）"},
	"accounts.again":    {"The same again", "再次输入"},
	"accounts.active":   {"active", "正常"},
	"accounts.disabled": {"disabled", "已停用"},
	"accounts.locked":   {"locked", "已锁定"},
	"accounts.nopass":   {"no password", "无密码"},

	"account.title":       {"Account", "账号"},
	"account.back":        {"All accounts", "全部账号"},
	"account.setrole":     {"Change role", "更改角色"},
	"account.setpassword": {"Set password", "设置密码"},
	"account.disable":     {"Disable", "停用"},
	"account.enable":      {"Enable", "启用"},
	"account.unlock":      {"Lift the lock", "解除锁定"},
	"account.delete":      {"Delete account", "删除账号"},
	"account.standing":    {"Standing", "账号状态"},
	"account.self":        {"This is your own account: another administrator changes its role and standing.", "这是您自己的账号：角色和状态需由其他管理员更改。"},
	"account.certs":       {"Certificates that sign in", "可登录的证书"},
	"account.nocerts":     {"None: this account does not sign in by scanning.", "无：该账号不能扫码登录。"},
	"account.bind":        {"Bind a certificate", "绑定证书"},
	"account.cert":        {"Certificate (PEM or hexadecimal)", "证书（PEM 或十六进制）"},
	"account.fingerprint": {"… or its SHA-256 fingerprint", "……或其 SHA-256 指纹"},
	"account.rule":        {"… or any certificate that an authority has issued to a subject", "……或某 CA 为某主体签发的任何证书"},
	"account.authority":   {"Authority's certificate or fingerprint", "CA 证书或其指纹"},
	"account.subject":     {"Subject, such as CN=Wang Li,O=Example", "主体，如 CN=王丽，O=示例"},
	"account.label":       {"Label", "备注"},
	"account.dobind":      {"Bind", "绑定"},
	"account.unbind":      {"Unbind", "解除绑定"},
	"account.issuedby":    {"issued by", "签发者"},

	"me.old":       {"Present password", "当前密码"},
	"me.change":    {"Change password", "更改密码"},
	"me.nopass":    {"This account has no password: it signs in by scanning only.", "该账号没有密码，只能扫码登录。"},
	"me.lastlogin": {"Last sign-in: %s UTC from %s", "最近登录：%s UTC，来自 %s"},

	"audit.when":    {"When (UTC)", "时间 (UTC)"},
	"audit.who":     {"Who", "操作者"},
	"audit.what":    {"What", "操作"},
	"audit.subject": {"Subject", "对象"},
	"audit.detail":  {"Detail", "详情"},
	"audit.action":  {"Action, such as login. or device.suspend", "操作，如 login. 或 device.suspend"},
	"audit.filter":  {"Filter", "筛选"},
	"audit.older":   {"Older", "更早"},
	"audit.none":    {"No events.", "没有记录。"},

	"error.title":       {"That did not work", "操作未完成"},
	"error.back":        {"Back to the console", "返回控制台"},
	"error.forbidden":   {"Your role does not allow this. Ask an administrator.", "您的角色不允许此操作，请联系管理员。"},
	"error.forged":      {"This form is too old or was not made for this browser. Go back, load the page again, and repeat what you did.", "表单已失效或不属于此浏览器。请返回、刷新页面后重试。"},
	"error.form":        {"The form could not be read: it is too long or damaged.", "无法读取表单：内容过长或已损坏。"},
	"error.self":        {"You cannot change the role or standing of your own account, or delete it. Another administrator can.", "您不能更改或删除自己的账号，请由其他管理员操作。"},
	"error.mismatch":    {"The two new passwords differ. Nothing was changed.", "两次输入的新密码不一致，未作更改。"},
	"error.certificate": {"This is no certificate in PEM or hexadecimal. Nothing was changed.", "这不是 PEM 或十六进制格式的证书，未作更改。"},
	"error.password":    {"The present password is wrong. Nothing was changed.", "当前密码错误，未作更改。"},
	"error.notfound":    {"It is not there (any more).", "对象不存在或已被删除。"},
	"error.exists":      {"There is one like it already; a certificate can be bound once.", "已存在相同的对象；一个证书只能绑定一次。"},
	"error.conflict":    {"Somebody else changed it at the same moment. Look again and repeat what you did.", "他人同时作了更改。请查看后重试。"},
	"error.state":       {"Its state does not allow this.", "当前状态不允许此操作。"},
	"error.input":       {"Something in the form does not fit:", "表单内容不符合要求："},
	"error.internal":    {"The server could not do this. Its log says why, under request %s.", "服务器无法完成此操作。原因见日志，请求编号 %s。"},
}
